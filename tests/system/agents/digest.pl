#!/usr/bin/perl
# digest.pl - a scripted peer that knows passwords, for digest_test. What it computes comes from Perl's own
# Digest::MD5 and Digest::SHA.
#
#   digest.pl PROXY ALGORITHM CALLEE_PORT   registers alice and bob (who answers on CALLEE_PORT), tries what must be
#                                           refused, and calls bob
#   digest.pl PROXY guess COUNT             that many REGISTERs with wrong credentials, as fast as they are answered
#
# Prints one line per step; ends with 1 at the first that fails. Every wait is bounded.
use strict;
use warnings;
use Digest::MD5;
use Digest::SHA;
use IO::Select;
use IO::Socket::INET;

use constant { PATIENCE => 10, WINDOW => 64 };    # seconds, requests without an answer yet

my %hash_of = (
    'MD5'         => \&Digest::MD5::md5_hex,
    'SHA-256'     => \&Digest::SHA::sha256_hex,
    'SHA-512-256' => \&Digest::SHA::sha512256_hex,
);
my ($proxy, $algorithm, $number) = @ARGV;
my $socket = IO::Socket::INET->new(PeerAddr => $proxy, LocalAddr => '127.0.0.1', Proto => 'udp') or die "no socket: $!";
my $here   = '127.0.0.1:' . $socket->sockport;
my $select = IO::Select->new($socket);
my $run    = "$$-" . time;
my $count  = 0;
$| = 1;

sub step {
    my ($what, $done) = @_;
    print $done ? "$what\n" : "FAILED $what\n";
    exit 1 if !$done;
}

sub request {
    my ($method, $uri, %with) = @_;
    $count++;
    $with{from}    ||= 'alice';
    $with{call_id} ||= "$run-$count";
    $with{cseq}    ||= $count;
    $with{branch}  ||= "z9hG4bK$run-$count";
    $with{to}      ||= $method eq 'REGISTER' ? "<sip:$with{from}\@example.com>" : "<$uri>";
    return join "\r\n", "$method $uri SIP/2.0", "Via: SIP/2.0/UDP $here;branch=$with{branch};rport", 'Max-Forwards: 70',
        "From: <sip:$with{from}\@example.com>;tag=$run", "To: $with{to}", "Call-ID: $with{call_id}", "CSeq: $with{cseq} $method",
        'Contact: ' . ($with{contact} || "<sip:$with{from}\@$here>"), @{ $with{headers} || [] }, 'Content-Length: 0', '', '';
}

# The next final response.
sub answer {
    while ($select->can_read(PATIENCE)) {
        $socket->recv(my $text, 65535);
        return $text if $text =~ /^SIP\/2\.0 [2-6]/;
    }
    return '';
}

sub ask {
    $socket->send($_[0]) or return '';
    return answer();
}

sub is_code { return $_[0] =~ /^SIP\/2\.0 $_[1] / }

# Of a 401 or 407: { header, realm, nonce, stale ... } for our algorithm.
sub challenge {
    my ($response) = @_;
    for my $line (split /\r\n/, $response) {
        next if $line !~ /algorithm=\Q$algorithm\E(,|$)/;
        my ($kind, $params) = $line =~ /^(WWW|Proxy)-Authenticate: Digest (.*)$/ or next;
        my %found = (header => $kind eq 'WWW' ? 'Authorization' : 'Proxy-Authorization');
        $found{$1} = $2 while $params =~ /([\w-]+)="?([^",]*)"?/g;
        return \%found;
    }
    return;
}

# A header line; `claimed_nc` is told instead of the count that was digested.
sub credentials {
    my ($challenge, $user, $password, $method, $uri, $nc, %with) = @_;
    my $hash   = $hash_of{$algorithm};
    my $nonce  = $with{nonce} || $challenge->{nonce};
    my $digits = sprintf '%08x', $nc;
    my $said   = $hash->(join ':', $hash->("$user:$challenge->{realm}:$password"), $nonce, $digits, 'c0ffee', 'auth',
        $hash->("$method:$uri"));
    my $told = sprintf '%08x', $with{claimed_nc} || $nc;
    return "$challenge->{header}: Digest username=\"$user\", realm=\"$challenge->{realm}\", nonce=\"$nonce\", uri=\"$uri\", "
        . "response=\"$said\", algorithm=$algorithm, cnonce=\"c0ffee\", qop=auth, nc=$told";
}

sub register {
    my ($user, $password, $challenge, $nc, %with) = @_;
    my $uri  = 'sip:example.com';
    my $line = credentials($challenge, $user, $password, 'REGISTER', $with{uri} || $uri, $nc, %with);
    return ask(request('REGISTER', $uri, from => $user, headers => [$line], contact => $with{contact}));
}

sub challenged { return challenge(ask(request('REGISTER', 'sip:example.com', from => $_[0]))) }

sub register_all {
    my ($callee_port) = @_;
    my $asked = challenged('alice');
    step("$algorithm is offered", $asked && $asked->{nonce});
    step('alice registers',       is_code(register('alice', 'wonderland', $asked, 1), 200));
    step('alice registers again with the next count', is_code(register('alice', 'wonderland', $asked, 2), 200));
    my $bob = challenged('bob');
    step('bob registers where he answers',
        is_code(register('bob', 'builder', $bob, 1, contact => "<sip:bob\@127.0.0.1:$callee_port>"), 200));
    return $asked;
}

sub is_refused {
    my ($response, $stale) = @_;
    my $again = is_code($response, 401) && challenge($response);
    return $again && ($again->{stale} || '') eq $stale;
}

sub be_refused {
    my ($asked) = @_;
    my @alice = ('alice', 'wonderland', $asked);
    step('a replay is refused as stale', is_refused(register(@alice, 2), 'true'));
    step('an invented nonce is refused', is_refused(register(@alice, 3, nonce => 'f' x 32), 'true'));
    step('a nonce of another form, too', is_refused(register(@alice, 3, nonce => 'deadbeef'), ''));
    step('another uri is refused',       is_code(register(@alice, 3, uri => 'sip:example.net'), 400));
    step('another count than was digested is refused', is_refused(register(@alice, 3, claimed_nc => 4), ''));
    step('a wrong password is refused',  is_refused(register('alice', 'guess', $asked, 3), ''));
    step('an unknown user is refused',   is_refused(register('nobody', 'guess', $asked, 3), ''));
    step('what was refused used nothing up', is_code(register(@alice, 3), 200));
}

sub call {
    my ($uri, $call) = ('sip:bob@example.com', "$run-call");
    my %same  = (call_id => $call, cseq => 1, branch => "z9hG4bK$run-first");
    my $first = ask(request('INVITE', $uri, %same));
    my $asked = is_code($first, 407) && challenge($first);
    step('the call is challenged', $asked);
    my ($refused_to) = $first =~ /^To: (.*?)\r$/m;
    $socket->send(request('ACK', $uri, %same, to => $refused_to));
    my $line = credentials($asked, 'alice', 'wonderland', 'INVITE', $uri, 1);
    my $answer = ask(request('INVITE', $uri, call_id => $call, cseq => 2, headers => [$line]));
    step('bob answers', is_code($answer, 200));
    my ($to)      = $answer =~ /^To: (.*?)\r$/m;
    my ($contact) = $answer =~ /^Contact: <(.*?)>/m;
    my @routes = reverse($answer =~ /^Record-Route: (.*?)\r$/mg);
    my %inside = (call_id => $call, to => $to, headers => [ map { "Route: $_" } @routes ]);
    $socket->send(request('ACK', $contact, %inside, cseq => 2));
    step('bob takes the BYE', is_code(ask(request('BYE', $contact, %inside, cseq => 3)), 200));
}

sub guess {
    my ($wanted) = @_;
    my ($sent, $refused, $waiting) = (0, 0, 0);
    $algorithm = 'MD5';
    my $asked = challenged('alice');
    step('guesses begin with a challenge', $asked && $asked->{nonce});
    while ($refused < $wanted) {
        while ($sent < $wanted && $waiting < WINDOW) {
            my $user = $sent % 2 ? "user$sent" : 'alice';
            my $nonce = $sent % 3 ? $asked->{nonce} : sprintf '%032x', $sent;
            my $line = credentials($asked, $user, "guess$sent", 'REGISTER', 'sip:example.com', 1 + $sent, nonce => $nonce);
            $socket->send(request('REGISTER', 'sip:example.com', from => $user, headers => [$line]));
            $sent++, $waiting++;
        }
        step('every guess is answered 401', 0) if !is_code(answer(), 401);
        $refused++, $waiting--;
    }
    step("$refused guesses are refused", 1);
}

if ($algorithm eq 'guess') {
    guess($number);
}
else {
    my $asked = register_all($number);
    be_refused($asked);
    call();
}
