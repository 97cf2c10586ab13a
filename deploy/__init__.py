"""Files to deploy Tapeflow with, and the script that the build of its image runs."""
