"""What happens to it? One step, one file; in flow order:

decode -> dedupe -> bars -> normalise -> signals -> desk
                                    facts, tally: what there is to write of it
"""
