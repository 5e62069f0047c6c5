"""A face that moves: lids and a mouth fitted to the eyes and the mouth that are painted on a reconstructed head."""
