"""The job that a results file holds."""

import json

from pydantic import ValidationError

from tapeflow.flows.job.messages import first_error
from tapeflow.flows.job.settings import PREFIX, Job, environment_with, override
from tapeflow.schemas.errors import UsageError


def load_stored(text: str) -> Job:
    """Return the job of `runs.job`, with the Kafka settings of the environment: secrets are there.

    Raises UsageError where this version cannot read it.
    """
    keys = json.loads(text)
    variables = environment_with()
    override(keys, {name: variables[name] for name in variables if f"{PREFIX}KAFKA_" in name})
    try:
        return Job.model_validate(keys)
    except ValidationError as error:
        raise UsageError(
            f"the job of the results, perhaps of another version: {first_error(error, Job)}"
        ) from None
