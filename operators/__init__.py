"""What happens to it? One step, one file or one folder; in flow order:

decode -> dedupe -> bars -> features (normalise) -> strategies (signals) -> desk
batch_facts, quality: the other rows of output
records: facts as Kafka records
"""
