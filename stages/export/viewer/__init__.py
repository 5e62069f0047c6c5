"""The character in three dimensions, in one page that needs nothing else: our viewer's script and a light GLB inside."""
