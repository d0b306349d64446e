"""The pages of accounts and single sign-on: made here, sent whole, usable without scripts."""
