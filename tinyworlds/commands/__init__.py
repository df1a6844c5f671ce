"""One module a subcommand, named after it; `cli` looks at the first word and hands over."""
