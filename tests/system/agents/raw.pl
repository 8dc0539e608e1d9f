#!/usr/bin/perl
# raw.pl - sends one message as it is and says where it comes out, for netsip_routing_test.
#
#   raw.pl FROM TO SINK... < message    IPv4 addresses and ports
#
# Prints "SINK from ADDRESS", or the first line of what comes back to FROM, or "nothing".
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

use constant PATIENCE => 10;    # seconds

my ($from, $to, @sinks) = @ARGV;
my %socket = map { $_ => IO::Socket::INET->new(LocalAddr => $_, Proto => 'udp') || die "$_: $!\n" } $from, @sinks;
my %name   = map { $socket{$_} => $_ } keys %socket;
my $select = IO::Select->new(values %socket);

my $message = join '', <STDIN>;
$message =~ s/\r?\n/\r\n/g;
my ($host, $port) = split /:/, $to;
$socket{$from}->send($message, 0, pack_sockaddr_in($port, inet_aton($host))) or die "$to: $!\n";

my ($ready) = $select->can_read(PATIENCE);
if (!$ready) {
    print "nothing\n";
    exit;
}
$ready->recv(my $got, 65535);
my ($line) = $got =~ /^(.*?)\r?\n/;
print $name{$ready} eq $from ? "$line\n" : "$name{$ready} from " . $ready->peerhost . ':' . $ready->peerport . "\n";
