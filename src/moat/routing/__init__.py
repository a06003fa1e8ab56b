"""Which deployments answer a call, in which order, and which of them are left alone at present."""
