import Foundation
import Simulator

extension RunOptions {
  /// For people: every ten simulated minutes a line says what memory the process holds.
  static func spoken(_ speaks: Bool) -> RunOptions {
    var options = RunOptions()
    guard speaks else { return options }
    options.milestone = { milestone in
      let known = milestone.diskBytes + milestone.databaseBytes + milestone.trieBytes
      let others =
        residentBytes().map { ", \(mebibytes(max(0, $0 - known))) MiB for all else" } ?? ""
      Terminal.say(
        "\(milestone.minutes) min simulated, \(grouped(milestone.heights)) heights: "
          + "\(mebibytes(milestone.diskBytes)) MiB on simulated disks, "
          + "\(mebibytes(milestone.databaseBytes)) MiB in SQLite's caches, "
          + "\(mebibytes(milestone.trieBytes)) MiB in the tries over the rows\(others); "
          + "\(grouped(milestone.oracleEntries)) entries in the oracle's books, "
          + "\(grouped(milestone.planned)) events planned")
    }
    return options
  }
}

/// Linux's own count, in pages (proc(5), `statm`); nil where there is none.
private func residentBytes() -> Int? {
  guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else {
    return nil
  }
  let fields = text.split(separator: " ")
  return fields.count > 1 ? Int(fields[1]).map { $0 * Int(getpagesize()) } : nil
}

private func mebibytes(_ bytes: Int) -> Int { (bytes + (1 << 19)) >> 20 }
