"""A real Apache Kafka broker, from Maven Central jars."""
