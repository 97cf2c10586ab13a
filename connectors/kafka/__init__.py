"""Raw frames and facts in Kafka."""
