"""The commands of `rig`, one module each: arguments in, words and exit status out."""
