/* What a stage is at, in a file that build/bin/status reads: BUILD/progress/PID, there while the process computes.
 *
 * JSON in NOTE_BYTES, padded with blanks, so that it is written over in one go, which takes microseconds and never
 * waits for the disk. Nothing depends on it: a note that cannot be written is none. Who is killed leaves its note, and
 * ninja failures shows it, until the stage computes again in that build folder.
 */
#ifndef QG_GRAPH_PROGRESS_NOTE_H
#define QG_GRAPH_PROGRESS_NOTE_H

#include <stddef.h>

enum { NOTE_BYTES = 1024, NOTE_TEXT = 200 };

struct progress_note {
	char stage[64], cell[NOTE_TEXT];    /* cell: the first of its jobs' */
	char phase[32], step[32];           /* score, "layer"; "" before the first */
	size_t jobs, committed;
	size_t done, total;                 /* steps of the phase; total 0: it has none */
	double started, phase_started;      /* seconds since 1970 */
	double step_started;                /* when done was first_done */
	double stepped;                     /* when done became what it is */
	size_t first_done;
	long pid;
};

/* build_dir may be NULL: no note then. For the process's first thread, like all below but committed. */
void progress_note_begin(const char *build_dir, const char *stage, const char *cell, size_t jobs);
void progress_note_phase(const char *phase);
void progress_note_committed(void);     /* any thread */
void progress_note_end(void);

/* Removes the file: for signal handlers. */
void progress_note_interrupt(void);

/* The time that notes have: seconds since 1970. */
double progress_note_now(void);

/* What the text of a note says, whatever became of its process. -1 after fail(). */
int progress_note_parse(const char *text, struct progress_note *note);

/* What it says, and whether its process is there; NOTE_NONE: the file is gone or no note. */
enum note_state { NOTE_NONE, NOTE_RUNS, NOTE_ENDED };
enum note_state progress_note_read(const char *path, struct progress_note *note);

#endif
