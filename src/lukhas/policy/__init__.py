"""Every decision of the product, as pure functions of settings, state, facts and time."""
