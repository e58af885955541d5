"""From a scan and a network to the object, as a stream of events."""
