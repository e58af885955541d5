"""The shell's commands, one file each; heavy imports wait until a command runs."""
