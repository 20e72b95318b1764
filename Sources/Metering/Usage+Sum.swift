import Wire

extension Usage {
  private static var parts: [WritableKeyPath<Usage, UInt64>] {
    [
      \.ingressBytes, \.steps, \.functionBytes, \.rowsWritten, \.rowBytesWritten,
      \.indexEntriesWritten, \.hashes, \.receiptBytes,
    ]
  }

  /// Adds another usage, part by part; a part that cannot be counted stays at the largest number.
  package static func += (sum: inout Usage, more: Usage) {
    for part in parts {
      let (total, overflow) = sum[keyPath: part].addingReportingOverflow(more[keyPath: part])
      sum[keyPath: part] = overflow ? .max : total
    }
  }

  /// What was used since an earlier usage, part by part; a part that shrank comes out as 0.
  package func since(_ earlier: Usage) -> Usage {
    var difference = Usage()
    for part in Self.parts where self[keyPath: part] > earlier[keyPath: part] {
      difference[keyPath: part] = self[keyPath: part] - earlier[keyPath: part]
    }
    return difference
  }
}
