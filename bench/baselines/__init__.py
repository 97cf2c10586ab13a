"""The reference job as others would write it, without our rooms: what our speed is measured by."""
