"""Where work is computed: this process, others beside it, a cluster."""
