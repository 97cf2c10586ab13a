"""What happens to it? One step, one file or one folder; in flow order:

decode -> dedupe -> bars -> features (normalise) -> strategies (signals) -> desk
                                           batch_facts, quality: what else there is to write
                                           records: facts on their way to Kafka
"""
