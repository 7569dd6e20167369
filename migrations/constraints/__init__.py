"""What models of each version demanded beyond the types of their fields, and whether a value meets it. Pure."""
