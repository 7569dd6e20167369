"""What connects models with other frameworks; each folder needs the framework that it is named after."""
