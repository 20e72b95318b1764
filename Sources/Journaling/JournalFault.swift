import Storage
import Wire

/// Why the journal cannot be written or believed. A replica stops on any of these.
package enum JournalFault: Error, Equatable, CustomStringConvertible {
  /// SQLite or the disk failed.
  case storage(StorageFault)
  /// The file is a SQLite file, but not a journal of this version.
  case notAJournal(path: String, found: String)
  /// What is stored is not what was written.
  case damaged(path: String, what: String)

  package var description: String {
    switch self {
    case .storage(let fault):
      "the journal cannot be used: \(fault). Free disk space or mend the disk, then start again"
    case .notAJournal(let path, let found):
      "\(path) is not a journal of this version: \(found). Name the file that this replica wrote"
    case .damaged(let path, let what):
      "the journal \(path) is damaged: \(what). Its votes can no longer be trusted: move the file "
        + "away and start again, and this replica recovers from the others as one that lost its log"
    }
  }

  /// True when the disk has no room left.
  package var isFull: Bool {
    if case .storage(let fault) = self { fault.isFull } else { false }
  }
}

/// Runs SQLite calls, turning its faults into the journal's.
func journaling<R>(
  _ path: String, _ body: () throws(StorageFault) -> R
) throws(JournalFault) -> R {
  do throws(StorageFault) {
    return try body()
  } catch {
    // SQLITE_CORRUPT and SQLITE_NOTADB (sqlite.org/rescode.html).
    if error.code == 11 || error.code == 26 {
      throw .damaged(path: path, what: "\(error)")
    }
    throw .storage(error)
  }
}
