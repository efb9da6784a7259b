"""The demo's five services, one process per site: real applications of the contracts in ``specs/services``.

What each part owns: `serving` processes, `front` one site's door, `contracts` documents and handlers' names, `exchange`
calls and refusals, `places` the sites and how they differ, `services` the business. Nothing here is imported by the
planes; the gateway sees these backends as it sees any other: over HTTP.
"""
