/// The built-in pipeline of simulated load: transfers between accounts.
enum Bank {
  static let name = "bank_transfers"
  static let accounts = 8
  static let packageBytes: [UInt8] = []
}
