import Wire

extension Usage {
  /// Adds another usage, part by part; a part that cannot be counted stays at the largest number.
  package static func += (sum: inout Usage, more: Usage) {
    func add(_ part: WritableKeyPath<Usage, UInt64>) {
      let (total, overflow) = sum[keyPath: part].addingReportingOverflow(more[keyPath: part])
      sum[keyPath: part] = overflow ? .max : total
    }
    add(\.ingressBytes)
    add(\.steps)
    add(\.functionBytes)
    add(\.rowsWritten)
    add(\.rowBytesWritten)
    add(\.indexEntriesWritten)
    add(\.hashes)
    add(\.receiptBytes)
  }
}
