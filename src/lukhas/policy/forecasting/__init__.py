"""What a series will do: small models, a band around them, and a choice by back-test."""
