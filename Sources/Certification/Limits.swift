import Wire

/// What bounds answers, rows and proofs; replicas and clients agree on them.
package enum AnswerLimits {
  // Requests.
  package static let sqlBytesMax = 64 << 10
  package static let argumentsMax = 64
  package static let keyColumnsMax = 16

  // Tables and values.
  package static let columnsMax = 256
  package static let rowsMax = 100_000
  package static let valueBytesMax = 1 << 20
  /// Canonical bytes of one whole result; a larger one is refused, never cut. Certified rows end
  /// with the first one with which they pass it.
  package static let resultBytesMax = 8 << 20

  // Rows with proofs.
  package static let certifiedRowsMax = 10_000
  /// Bytes of one key in the state trie: bounds the depth of the trie too.
  package static let keyBytesMax = 1_024
  package static let proofNodesMax = 1 << 18

  // Snapshots.
  /// Bytes of rows after which a part ends; its last row may go beyond. A part of `rowsMax` rows
  /// ends as well.
  package static let snapshotPartBytes = 4 << 20
  /// Bytes of rows in one part with its last row, for which SQLite allows 2 MiB.
  package static let snapshotPartBytesMax = 8 << 20
  package static let snapshotTablesMax = 4_096
  /// Parts of one snapshot. So a pipeline of up to 64 GiB has one if parts end by their bytes, and
  /// of up to 1.6 billion rows if rows are so short that parts end by their number.
  package static let snapshotPartsMax = 1 << 14

  // Receipts: no block has more calls.
  package static let receiptPathMax = 32

  // Files.
  package static let savedBytesMax = 64 << 20
  package static let networkBytesMax = 4 << 20
  /// Verified certificates that a client remembers.
  package static let certificatesKept = 16
}
