from .flow import place

__all__ = ["place"]
