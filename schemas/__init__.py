"""What is it? Facts as small frozen values, columns, the tables and topics derived from them."""
