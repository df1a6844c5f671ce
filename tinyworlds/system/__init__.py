"""Between the program and the machine: whole files, locks, processes, threads, options, exit codes."""
