"""Files to take along: pictures with notes, contact sheets, films; and reading the notes back. No torch here."""
