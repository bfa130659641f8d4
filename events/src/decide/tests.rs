//! Every rule as given / when / then, and the fold under random commands.

mod adopt;
mod ask;
mod by_hand;
mod cascade;
mod consistent;
mod document;
mod given;
mod mass;
mod quota;
mod random;
mod register;
mod restore;
mod stream;
mod sweep;
mod token;
mod user;
mod withdraw;
