"""What all integration tests get: each asyncio test of the gateway runs on both event loops."""
