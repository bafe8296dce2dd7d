"""Load on the component socket that a device should bear for years: see ``__main__``."""
