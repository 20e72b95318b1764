import Storage
import Synchronization
import Wire

/// The journal's reads on a connection of its own, from any thread, beside the writer.
///
/// - Safety: sees whole transactions only; never writes.
package final class JournalReader: Sendable {
  private let tables: Mutex<JournalTables>

  /// - Precondition: a `Journal` has opened the file before.
  package init(path: String, vfs: String? = nil) throws(JournalFault) {
    let connection = try journaling(path) { () throws(StorageFault) in
      let connection = try Connection(path: path, access: .readOnly, vfs: vfs)
      try connection.pragma("cell_size_check", "ON")
      return connection
    }
    tables = Mutex(JournalTables(connection: connection))
  }

  private func read<R: Sendable>(
    _ body: (JournalTables) throws(JournalFault) -> R
  ) throws(JournalFault) -> R {
    let result = tables.withLock { tables -> Result<R, JournalFault> in
      do throws(JournalFault) {
        return .success(try body(tables))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// The finalized block of a height.
  package func block(at height: Height) throws(JournalFault) -> Block? {
    try read { tables throws(JournalFault) in try tables.block(at: height) }
  }

  /// A block by its digest, finalized or not.
  package func block(_ digest: Digest) throws(JournalFault) -> Block? {
    try read { tables throws(JournalFault) in try tables.block(digest) }
  }

  /// As `Journal.blocks`.
  package func blocks(
    from height: Height, count: Int
  ) throws(JournalFault) -> ([Block], [Certificate]) {
    try read { tables throws(JournalFault) in try tables.blocks(from: height, count: count) }
  }

  package func stateCertificate(at height: Height) throws(JournalFault) -> StateCertificate? {
    try read { tables throws(JournalFault) in try tables.stateCertificate(at: height) }
  }

  /// The highest finalized height.
  package func finalizedHeight() throws(JournalFault) -> Height {
    try read { tables throws(JournalFault) in try tables.finalizedHighest() }
  }
}
