"""What is it? Facts as small frozen values, columns, and the tables and topics made of them."""
