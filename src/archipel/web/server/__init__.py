"""The server: a Starlette app over a `Source`, sign-in, telemetry, events, commands and their audit."""
