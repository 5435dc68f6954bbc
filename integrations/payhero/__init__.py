"""PayHero Kenya: a paybill service over M-Pesa."""
