"""The `weighbridge` command and the embedded all-in-one. The only thing that stands above both planes."""
