"""The frozen nouns, in the order you meet them: document, contract, access, snapshot."""
