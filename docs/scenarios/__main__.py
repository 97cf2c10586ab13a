"""Write the tapes and renew the pages: python -m docs.scenarios."""

from docs.scenarios.renew import renew

renew()
