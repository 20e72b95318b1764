import Certification
import Foundation
import Glibc
import Simulator

/// A kind of file that commands write where they are told to.
///
/// - Safety: takes the place of a file of its own kind or of an empty one, never of another.
enum OutputKind: String {
  case savedAnswer = "saved answer"
  case junit = "JUnit report"
  case drawing = "SVG drawing"
  case page = "page of a simulated run"
  case trace = "trace of a simulated run"
  case scenario = "scenario"

  /// - Throws: `Failure` where something else is, or nothing can be written; asked before a command
  ///   does what it cannot undo.
  func check(_ path: String) throws {
    var status = stat()
    guard stat(path, &status) == 0 else {
      let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
      guard access(folder, W_OK | X_OK) == 0 else {
        throw Failure(
          "Cannot write \(path): there is no folder \(folder) to write in. Name one that is there.")
      }
      return
    }
    guard status.st_mode & S_IFMT != S_IFDIR, access(path, W_OK) == 0 else {
      throw Failure("Cannot write \(path): it is no file that you may write. Name another one.")
    }
    guard status.st_mode & S_IFMT == S_IFREG, status.st_size > 0, !isOwn(path) else { return }
    throw Failure(
      "\(path) is there already and is no \(rawValue), so nothing is written over it. Name another "
        + "file, or move that one away.")
  }

  private func isOwn(_ path: String) -> Bool {
    if self == .scenario { return (try? ScenarioFile.read(path)) != nil }
    let bytes = [UInt8](FileManager.default.contents(atPath: path) ?? Data())
    func begins(_ text: String) -> Bool { bytes.starts(with: text.utf8) }
    let start = String(decoding: bytes.prefix(1 << 12), as: UTF8.self)
    return switch self {
    case .savedAnswer: (try? SavedAnswer(file: bytes)) != nil
    case .junit: begins("<?xml ") && start.contains("<testsuites ")
    case .drawing: begins("<svg xmlns=\"http://www.w3.org/2000/svg\"")
    case .page: begins("<!doctype html>")
    case .trace: begins("# ") && start.contains("\n# id, seconds, replica, ")
    case .scenario: false
    }
  }

  /// Writes a file; a saved answer for its owner's eyes alone, since rows that others are not shown
  /// may stand in it.
  func write(_ bytes: [UInt8], to path: String) throws {
    try check(path)
    func fail() -> Failure {
      Failure("Cannot write \(path): \(String(cString: strerror(errno))).")
    }
    let isPrivate = self == .savedAnswer
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, isPrivate ? 0o600 : 0o666)
    guard descriptor >= 0 else { throw fail() }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw fail() }
    // A terminal or a pipe has neither.
    if status.st_mode & S_IFMT == S_IFREG {
      guard !isPrivate || fchmod(descriptor, 0o600) == 0, ftruncate(descriptor, 0) == 0 else {
        throw fail()
      }
    }
    do {
      try file.write(contentsOf: Data(bytes))
      try file.close()
    } catch { throw Failure("Cannot write \(path): \(error.localizedDescription)") }
  }
}
