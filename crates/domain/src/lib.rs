//! What the product does: use cases by capability, errors by meaning, and the ports.
