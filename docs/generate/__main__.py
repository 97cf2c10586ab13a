"""Write the pages: python -m docs.generate."""

from docs.generate import FOLDER, pages

FOLDER.mkdir(exist_ok=True)
for name, text in pages().items():
    (FOLDER / name).write_text(text)
    print(FOLDER / name)
