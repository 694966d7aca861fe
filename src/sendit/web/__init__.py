"""The status pages: server-rendered, behind a login, without a script."""
