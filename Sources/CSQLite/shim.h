// Debian's libsqlite3 has the preupdate hook compiled in; its header hides the declaration
// unless this macro is set.
#define SQLITE_ENABLE_PREUPDATE_HOOK 1
#include <sqlite3.h>

// Function-like and cast macros that Swift does not import.
static const int QUORATE_SQLITE_IOERR_SHORT_READ = SQLITE_IOERR_SHORT_READ;
static const int QUORATE_SQLITE_IOERR_FSYNC = SQLITE_IOERR_FSYNC;
static const int QUORATE_SQLITE_IOERR_WRITE = SQLITE_IOERR_WRITE;
static const int QUORATE_SQLITE_IOERR_READ = SQLITE_IOERR_READ;
// Of SQLite 3.45: earlier headers lack it, and earlier libraries ignore it.
static const int QUORATE_SQLITE_RESULT_SUBTYPE = 0x001000000;

// sqlite3_db_config is variadic; Swift imports no variadic C functions.
static inline int quorate_sqlite3_db_config_int(sqlite3 *db, int option, int value) {
  return sqlite3_db_config(db, option, value, (int *)0);
}

// Passing SQLITE_TRANSIENT needs a cast that Swift cannot express.
static inline int quorate_sqlite3_bind_text(
    sqlite3_stmt *statement, int index, const char *text, int length) {
  return sqlite3_bind_text(statement, index, text, length, SQLITE_TRANSIENT);
}
static inline int quorate_sqlite3_bind_blob(
    sqlite3_stmt *statement, int index, const void *bytes, int length) {
  return sqlite3_bind_blob(statement, index, bytes, length, SQLITE_TRANSIENT);
}
static inline void quorate_sqlite3_result_text(
    sqlite3_context *context, const char *text, int length) {
  sqlite3_result_text(context, text, length, SQLITE_TRANSIENT);
}
static inline void quorate_sqlite3_result_blob(
    sqlite3_context *context, const void *bytes, int length) {
  sqlite3_result_blob(context, bytes, length, SQLITE_TRANSIENT);
}
static inline int quorate_sqlite3_test_prng_seed(int seed, sqlite3 *db) {
  return sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, seed, db);
}
