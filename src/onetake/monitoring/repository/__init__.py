"""All SQL of monitoring. Every function takes the caller's session and never commits."""
