#!/usr/bin/perl
# policy.pl - what a user agent on Net::SIP makes of a policy, for netsip_policy_test. Prints one line.
#
#   policy.pl PROXY PORT register USER PASSWORD CONTACT_USER   "registered", and the realm it was asked for
#   policy.pl PROXY PORT retry USER PASSWORD                   registers in two steps: gets a 401, and answers it later
#   policy.pl PROXY PORT invite FROM COUNT                     codes of that many calls, "nothing" for no answer in time
use strict;
use warnings;
use Net::SIP;

use constant { PATIENCE => 10, SILENCE => 1.5 };    # seconds

my ($proxy, $port, $what, $who, @rest) = @ARGV;
my $ua = Net::SIP::Simple->new(
    leg            => { proto => 'udp', addr => '127.0.0.1', port => $port },
    outgoing_proxy => $proxy,
    registrar      => "sip:$proxy",
    from           => $what eq 'invite' ? $who : "sip:$who\@example.com",
);

# [ outcome, response ] of a REGISTER; undef when there was none.
sub outcome {
    my (%args) = @_;
    my $final;
    $ua->register(%args, cb_final => sub { my ($status, %info) = @_; $final = [ $status, $info{packet}, $info{code} ] });
    $ua->loop(PATIENCE, \$final);
    return $final;
}

if ($what eq 'register') {
    my ($password, $contact_user) = @rest;
    my $realm = '';
    my $final = outcome(
        auth    => sub { $realm = shift; return [ $who, $password ] },
        contact => "sip:$contact_user\@127.0.0.1:$port",
    );
    print $final && $final->[0] eq 'OK' ? "registered realm='$realm'\n" : "not registered realm='$realm'\n";
}
elsif ($what eq 'retry') {
    my ($password) = @rest;
    my $asked = outcome();
    my $again = $asked && $asked->[2] == 401 && outcome(resp40x => $asked->[1], auth => [ $who, $password ]);
    print $again && $again->[0] eq 'OK' ? "registered\n" : "not registered\n";
}
else {
    my @codes;
    for my $n (1 .. $rest[0]) {
        my $done;
        my $call = $ua->invite('sip:you@example.com',
            cb_final => sub { my ($status, undef, %info) = @_; $done = $info{code} || $status });
        $ua->loop(SILENCE, \$done);
        push @codes, $done || 'nothing';
        $ua->loop(0.2) if $done;    # the ACK leaves, and what might be repeated comes
    }
    print "@codes\n";
}
