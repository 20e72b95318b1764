import ArgumentParser
import Foundation
import Simulator

/// Performs the runs that a search asks for: a task a line on stdin, a summary a line on stdout.
struct SimulateWorker: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Performs the runs of a search.", shouldDisplay: false)

  func run() async throws {
    while let line = readLine() {
      guard let task = try? JSONDecoder().decode(SearchTask.self, from: Data(line.utf8)) else {
        throw Failure("A worker is started by 'simulate fuzz' and the like, not by hand.")
      }
      Terminal.say(Self.line(try task.perform()))
    }
  }

  /// One line of JSON, keys sorted.
  static func line(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: (try? encoder.encode(value)) ?? Data(), as: UTF8.self)
  }
}
