"""The device gateway: WebSocket sessions that take a lane's queue and give replies back."""
